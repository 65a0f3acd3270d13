package main

import (
	"context"
	"crypto/tls"
	"flag"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"istio.io/istio/pkg/hbone"
)

// hboneServer is Istio's HBONE server, which connects to whatever the authority says. Istio's own test server does not ask
// for client certificates; here it must be mutual, and every request is reported before it is served.
func hboneServer(flags *flag.FlagSet, args []string) error {
	address := flags.String("listen", ":15008", "where")
	security := addTlsFlags(flags)
	flags.Parse(args)
	config, _, err := security.config(true)
	if err != nil {
		return err
	}
	listener, err := tls.Listen("tcp", *address, config)
	if err != nil {
		return err
	}
	server := hbone.NewServer()
	serve := server.Handler
	server.Handler = http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
		report(struct {
			event
			Authority string      `json:"authority"`
			Source    string      `json:"source"`
			Headers   http.Header `json:"headers"`
			Tls       tlsFacts    `json:"tls"`
		}{event{"connect"}, request.Host, request.RemoteAddr, request.Header, factsOf(*request.TLS)})
		serve.ServeHTTP(writer, request)
	})
	report(event{"listening"})
	return server.Serve(listener)
}

// hboneClient opens tunnels with Istio's dialer, all over one connection, and exchanges bytes on each.
func hboneClient(flags *flag.FlagSet, args []string) error {
	proxy := flags.String("proxy", "", "host:port of the tunnel's server")
	target := flags.String("target", "", "authority to ask for")
	size := flags.Int("bytes", 1000, "how many to send on each tunnel")
	count := flags.Int("count", 1, "tunnels at a time")
	timeout := flags.Duration("timeout", time.Minute, "for everything")
	security := addTlsFlags(flags)
	flags.Parse(args)
	config, seen, err := security.config(false)
	if err != nil {
		return err
	}
	dialer := hbone.NewDialer(hbone.Config{ProxyAddress: *proxy, TLS: config, Timeout: timeout})
	ctx, cancel := context.WithTimeout(context.Background(), *timeout)
	defer cancel()

	// The first opens the connection that the others share.
	results := make([]exchanged, *count)
	results[0] = tunnel(ctx, dialer, *target, *size)
	var others sync.WaitGroup
	for index := range results[1:] {
		others.Go(func() { results[index+1] = tunnel(ctx, dialer, *target, *size) })
	}
	others.Wait()
	connections, last := seen.read()
	report(struct {
		Tunnels     []exchanged `json:"tunnels"`
		Connections int         `json:"connections"`
		Tls         tlsFacts    `json:"tls"`
	}{results, connections, last})
	return nil
}

// hboneHold opens a tunnel and exchanges a byte again and again. It reports when it is open and how it ended, with the count.
func hboneHold(flags *flag.FlagSet, args []string) error {
	proxy := flags.String("proxy", "", "host:port of the tunnel's server")
	target := flags.String("target", "", "authority to ask for; an application that answers every byte with itself")
	security := addTlsFlags(flags)
	flags.Parse(args)
	config, _, err := security.config(false)
	if err != nil {
		return err
	}
	connection, err := hbone.NewDialer(hbone.Config{ProxyAddress: *proxy, TLS: config}).Dial("tcp", *target)
	if err != nil {
		return err
	}
	buffer := []byte{0}
	for count := 0; ; count++ {
		if _, err = connection.Write(buffer); err == nil {
			_, err = io.ReadFull(connection, buffer)
		}
		if err != nil {
			report(struct {
				event
				Count int    `json:"count"`
				Error string `json:"error"`
			}{event{"ended"}, count, err.Error()})
			return nil
		}
		if count == 0 {
			report(event{"listening"})
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func tunnel(ctx context.Context, dialer hbone.Dialer, target string, size int) exchanged {
	type dialled struct {
		connection net.Conn
		err        error
	}
	done := make(chan dialled, 1)
	// Istio's dialer does not look at its context.
	go func() {
		connection, err := dialer.DialContext(ctx, "tcp", target)
		done <- dialled{connection, err}
	}()
	select {
	case <-ctx.Done():
		return exchanged{Error: ctx.Err().Error()}
	case opened := <-done:
		if opened.err != nil {
			return exchanged{Error: opened.err.Error()}
		}
		defer opened.connection.Close()
		if deadline, ok := ctx.Deadline(); ok {
			opened.connection.SetDeadline(deadline)
		}
		return exchange(opened.connection, size, nil)
	}
}
