# Serves nothing, to measure the harness itself. Usage: server.sh <port>
echo listening
exec sleep 3600
