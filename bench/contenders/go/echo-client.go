//go:build ignore

// Client of the message workload in Go. A goroutine per connection sleeps until its next message is due, writes it and
// reads the answer. Message i is due at start + i / rate on connection i % connections, and its latency is measured
// from then, however late it was sent. Opens the connections, prints "ready", and reads lines "<messages per second>
// <warm-up ms> <measured ms>": prints "measuring" after the warm-up, and a line of JSON about the answers in the
// measured time. Resets the connections when its input ends.
// Usage: echo-client <port> <connections> <bytes per message>
package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"sort"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

const (
	firstPort = 1024
	atOnce    = 256
	drain     = 2 * time.Second
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: echo-client <port> <connections> <bytes per message>")
		os.Exit(2)
	}
	wanted, err := strconv.Atoi(os.Args[2])
	check(err)
	size, err := strconv.Atoi(os.Args[3])
	check(err)
	connections := open(os.Args[1], wanted)
	fmt.Println("ready")

	var rate float64
	var warmMs, measuredMs int
	for {
		if count, _ := fmt.Scanln(&rate, &warmMs, &measuredMs); count != 3 {
			break
		}
		start := time.Now()
		from := start.Add(time.Duration(warmMs) * time.Millisecond)
		until := from.Add(time.Duration(measuredMs) * time.Millisecond)
		samples := make([][]float64, wanted)
		var unanswered int64
		var ended sync.WaitGroup
		ended.Add(wanted)
		for i := range connections {
			go func(i int) {
				defer ended.Done()
				connections[i].SetDeadline(until.Add(drain))
				message, answer := make([]byte, size), make([]byte, size)
				for k := i; ; k += wanted {
					due := start.Add(time.Duration(float64(k) / rate * 1e9))
					time.Sleep(time.Until(due))
					if !time.Now().Before(until) {
						return
					}
					_, err := connections[i].Write(message)
					if err == nil {
						_, err = io.ReadFull(connections[i], answer)
					}
					if err != nil {
						atomic.AddInt64(&unanswered, 1)
						return
					}
					if now := time.Now(); !now.Before(from) && now.Before(until) {
						samples[i] = append(samples[i], float64(now.Sub(due).Nanoseconds())/1e3)
					}
				}
			}(i)
		}
		time.Sleep(time.Until(from))
		fmt.Println("measuring")
		ended.Wait()
		report(samples, measuredMs, unanswered)
	}
	for _, connection := range connections {
		connection.(*net.TCPConn).SetLinger(0) // Close with RST rather than FIN, to leave no TIME_WAIT.
		connection.Close()
	}
}

func open(port string, wanted int) []net.Conn {
	connections := make([]net.Conn, wanted)
	var opened sync.WaitGroup
	var next int64 = firstPort - 1
	turns := make(chan struct{}, atOnce)
	opened.Add(wanted)
	for i := range connections {
		turns <- struct{}{}
		go func(i int) {
			for connections[i] == nil {
				sourcePort := int(atomic.AddInt64(&next, 1))
				dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 5, 0, 1), Port: sourcePort}}
				connection, err := dialer.Dial("tcp4", "127.0.0.1:"+port)
				if err == nil {
					connections[i] = connection
				} else if sourcePort >= 65535 {
					check(err)
				}
			}
			<-turns
			opened.Done()
		}(i)
	}
	opened.Wait()
	return connections
}

func report(samples [][]float64, measuredMs int, unanswered int64) {
	var all []float64
	for _, some := range samples {
		all = append(all, some...)
	}
	sort.Float64s(all)
	at := func(share float64) float64 {
		rank := int(share * float64(len(all)))
		if rank >= len(all) {
			rank = len(all) - 1
		}
		if rank < 0 {
			return 0
		}
		return all[rank]
	}
	fmt.Printf("{\"answered\":%d,\"seconds\":%.3f,\"unanswered\":%d,\"p50Us\":%.1f,\"p99Us\":%.1f,\"p999Us\":%.1f,\"maxUs\":%.1f}\n",
		len(all), float64(measuredMs)/1e3, unanswered, at(0.5), at(0.99), at(0.999), at(1))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "Fatal error:", err)
		os.Exit(1)
	}
}
