# Serves nothing: what is measured of it is the harness. Usage: server.sh <port>
echo listening
exec sleep 3600
