"""Runs a command in a pseudo-terminal: in-terminal.py COLUMNSxROWS COMMAND…; copies its output."""
import fcntl
import os
import pty
import signal
import struct
import sys
import termios

columns, rows = map(int, sys.argv[1].split("x"))
# Set the size before the command reads it; the child waits for a byte.
ready, go = os.pipe()
pid, terminal = pty.fork()
if pid == 0:
    os.close(go)
    os.read(ready, 1)
    os.execvp(sys.argv[2], sys.argv[2:])
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda received, _: os.kill(pid, received))
os.write(go, b"x")
while True:
    try:
        piece = os.read(terminal, 65536)
    except OSError:
        break
    if not piece:
        break
    os.write(1, piece)
_, status = os.waitpid(pid, 0)
sys.exit(os.waitstatus_to_exitcode(status) & 255)
