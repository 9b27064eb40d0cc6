//go:build ignore

// Echo server in Go with a goroutine per connection.
// Usage: echo-server <port>. Prints "listening", and stops on SIGTERM.
package main

import (
	"fmt"
	"net"
	"os"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: echo-server <port>")
		os.Exit(2)
	}
	listener, err := net.Listen("tcp4", "127.0.0.1:"+os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "Fatal error:", err)
		os.Exit(1)
	}
	fmt.Println("listening")
	for {
		connection, err := listener.Accept()
		if err == nil {
			go echo(connection)
		}
	}
}

func echo(connection net.Conn) {
	defer connection.Close()
	var buffer [512]byte
	for {
		length, err := connection.Read(buffer[:])
		if err != nil {
			return
		}
		if _, err := connection.Write(buffer[:length]); err != nil {
			return
		}
	}
}
