//go:build ignore

// Server of the blog post on the 65,535 myth: a goroutine per connection, each of which writes "hello". Unlike the
// original, it then holds the connection until the peer closes it, for comparability.
// Usage: server <port>. Prints "listening", and stops on SIGTERM.
package main

import (
	"fmt"
	"net"
	"os"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: server <port>")
		os.Exit(2)
	}
	address, err := net.ResolveTCPAddr("tcp4", "127.0.0.1:"+os.Args[1])
	check(err)
	listener, err := net.ListenTCP("tcp4", address)
	check(err)
	fmt.Println("listening")
	for {
		connection, err := listener.Accept()
		if err != nil {
			continue
		}
		go handle(connection)
	}
}

func handle(connection net.Conn) {
	defer connection.Close()
	if _, err := connection.Write([]byte("hello")); err != nil {
		return
	}
	var buffer [512]byte
	for {
		if _, err := connection.Read(buffer[:]); err != nil {
			return
		}
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "Fatal error:", err)
		os.Exit(1)
	}
}
