package main

import (
	"bytes"
	"crypto/sha256"
	"flag"
	"fmt"
	"io"
	"math/rand"
	"net"
	"time"
)

// tcpServer is the application at the far end: it answers every byte with itself and ends when its client has ended.
func tcpServer(flags *flag.FlagSet, args []string) error {
	address := flags.String("listen", ":9000", "where")
	flags.Parse(args)
	listener, err := net.Listen("tcp", *address)
	if err != nil {
		return err
	}
	report(event{"listening"})
	for {
		connection, err := listener.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer connection.Close()
			report(struct {
				event
				Source string `json:"source"`
			}{event{"accepted"}, connection.RemoteAddr().String()})
			if _, err := io.Copy(connection, connection); err == nil {
				connection.(*net.TCPConn).CloseWrite()
			}
		}()
	}
}

// exchanged is how an exchange of bytes went.
type exchanged struct {
	Ok       bool   `json:"ok"`
	Sent     int    `json:"sent"`
	Received int64  `json:"received"`
	Local    string `json:"local"`
	Error    string `json:"error,omitempty"`
}

// tcpClient dials in plain TCP, which an enrolled pod's node agent captures.
func tcpClient(flags *flag.FlagSet, args []string) error {
	address := flags.String("to", "", "host:port")
	size := flags.Int("bytes", 1000, "how many to send")
	count := flags.Int("count", 1, "connections at a time")
	timeout := flags.Duration("timeout", time.Minute, "for each connection")
	flags.Parse(args)
	results := make(chan exchanged)
	for range *count {
		go func() {
			connection, err := net.DialTimeout("tcp", *address, *timeout)
			if err != nil {
				results <- exchanged{Error: err.Error()}
				return
			}
			defer connection.Close()
			connection.SetDeadline(time.Now().Add(*timeout))
			result := exchange(connection, *size, func() error { return connection.(*net.TCPConn).CloseWrite() })
			result.Local = connection.LocalAddr().String()
			results <- result
		}()
	}
	for range *count {
		report(<-results)
	}
	return nil
}

// exchange sends bytes, ends its direction if it can, and compares what comes back. Without closeWrite it stops reading
// after as many bytes as it sent.
func exchange(connection io.ReadWriter, size int, closeWrite func() error) exchanged {
	payload := make([]byte, size)
	rand.New(rand.NewSource(int64(size))).Read(payload)
	sent := make(chan error, 1)
	go func() {
		_, err := connection.Write(payload)
		if err == nil && closeWrite != nil {
			err = closeWrite()
		}
		sent <- err
	}()
	from := io.Reader(connection)
	if closeWrite == nil {
		from = io.LimitReader(connection, int64(size))
	}
	hash := sha256.New()
	received, err := io.Copy(hash, from)
	result := exchanged{Sent: size, Received: received}
	want := sha256.Sum256(payload)
	switch {
	case err != nil:
		result.Error = fmt.Sprintf("receiving: %v", err)
	case received != int64(size) || !bytes.Equal(hash.Sum(nil), want[:]):
		result.Error = "other bytes came back"
	default:
		if err := <-sent; err != nil {
			result.Error = fmt.Sprintf("sending: %v", err)
		}
	}
	result.Ok = result.Error == ""
	return result
}
