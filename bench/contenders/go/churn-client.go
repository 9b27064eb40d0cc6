//go:build ignore

// Churn client in Go. A fixed number of goroutines each dial, read the greeting, reset the connection and repeat.
// Prints "ready", waits for a line, prints a line of JSON when all connections are done, and exits. Chooses its own
// source ports like the others, because the kernel's search would otherwise dominate.
// Usage: churn-client <port> <connections> <open at a time>
package main

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	firstPort = 1024
	ports     = 64512
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: churn-client <port> <connections> <at once>")
		os.Exit(2)
	}
	wanted, err := strconv.ParseInt(os.Args[2], 10, 64)
	check(err)
	atOnce, err := strconv.Atoi(os.Args[3])
	check(err)
	fmt.Println("ready")
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		os.Exit(2)
	}

	var begun, greeted, failed int64
	var tuple int64 = -1
	var ended sync.WaitGroup
	start := time.Now()
	ended.Add(atOnce)
	for i := 0; i < atOnce; i++ {
		go func() {
			defer ended.Done()
			var buffer [512]byte
			for atomic.AddInt64(&begun, 1) <= wanted {
				connection, err := dial(atomic.AddInt64(&tuple, 1))
				// The port is in use, for example by a local service. Try the next tuple.
				for errors.Is(err, syscall.EADDRINUSE) {
					connection, err = dial(atomic.AddInt64(&tuple, 1))
				}
				if err == nil {
					_, err = connection.Read(buffer[:])
					connection.(*net.TCPConn).SetLinger(0) // Close with RST rather than FIN, to leave no TIME_WAIT.
					connection.Close()
				}
				if err == nil {
					atomic.AddInt64(&greeted, 1)
				} else {
					atomic.AddInt64(&failed, 1)
				}
			}
		}()
	}
	ended.Wait()
	fmt.Printf("{\"greeted\":%d,\"failed\":%d,\"seconds\":%.6f}\n", greeted, failed, time.Since(start).Seconds())
	if greeted != wanted {
		os.Exit(1)
	}
}

func dial(tuple int64) (net.Conn, error) {
	source := net.TCPAddr{IP: net.IPv4(127, 6, 0, byte(1+tuple/ports)), Port: firstPort + int(tuple%ports)}
	dialer := net.Dialer{LocalAddr: &source}
	return dialer.Dial("tcp4", "127.0.0.1:"+os.Args[1])
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "Fatal error:", err)
		os.Exit(1)
	}
}
