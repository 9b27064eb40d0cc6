//go:build ignore

// Client of the blog post on the 65,535 myth, many times over: a goroutine per connection dials, reads the greeting in
// up to 512 bytes and continues to read. Limits the number of concurrent dials. The kernel chooses the source ports;
// unlike the original, the client uses several source addresses, because the kernel's search for a free port becomes
// very slow once half of an address's ephemeral range is in use. Prints "ready", waits for a line, opens the
// connections, waits until each has been greeted, prints the elapsed seconds, holds the connections until its standard
// input ends, and resets them.
// Usage: client <port> <connections> <ports per source address (unused)> <concurrent dials>
package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Below half of the default range of 28,232.
const portsPerSource = 14000

func main() {
	if len(os.Args) != 5 {
		fmt.Fprintln(os.Stderr, "usage: client <port> <connections> <ports per source address> <dialling at once>")
		os.Exit(2)
	}
	wanted, err := strconv.Atoi(os.Args[2])
	check(err)
	atOnce, err := strconv.Atoi(os.Args[4])
	check(err)

	var established, failed int64
	var settled sync.WaitGroup
	connections := make([]net.Conn, wanted)
	turns := make(chan struct{}, atOnce)
	input := bufio.NewReader(os.Stdin)
	fmt.Println("ready")
	if _, err := input.ReadString('\n'); err != nil {
		os.Exit(2)
	}

	sources := (wanted + portsPerSource - 1) / portsPerSource
	start := time.Now()
	settled.Add(wanted)
	for i := 0; i < wanted; i++ {
		turns <- struct{}{}
		go func(i int) {
			dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(1+i%sources))}}
			connection, err := dialer.Dial("tcp4", "127.0.0.1:"+os.Args[1])
			var buffer [512]byte
			if err == nil {
				_, err = connection.Read(buffer[:])
			}
			<-turns
			if err != nil {
				atomic.AddInt64(&failed, 1)
				settled.Done()
				return
			}
			connections[i] = connection
			atomic.AddInt64(&established, 1)
			settled.Done()
			for err == nil {
				_, err = connection.Read(buffer[:])
			}
		}(i)
	}
	settled.Wait()
	fmt.Printf("{\"established\":%d,\"failed\":%d,\"seconds\":%.6f}\n", established, failed, time.Since(start).Seconds())

	io.Copy(io.Discard, input)
	for _, connection := range connections {
		if connection != nil {
			connection.(*net.TCPConn).SetLinger(0) // Close with RST rather than FIN, to leave no TIME_WAIT.
			connection.Close()
		}
	}
	if int(established) != wanted {
		os.Exit(1)
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "Fatal error:", err)
		os.Exit(1)
	}
}
