# Opens nothing but reports success, to measure the harness itself.
# Usage: client.sh <port> <connections> ...
echo ready
read -r go
echo "{\"established\":$2,\"failed\":0}"
# Waits until its standard input ends. Uses a built-in, so that no process starts while it is watched.
while read -r more; do :; done
