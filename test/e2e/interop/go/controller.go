package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
)

// controllerFlags say where a controller is and who calls it.
type controllerFlags struct {
	address, name, roots, certificate, key, token *string
}

func addControllerFlags(flags *flag.FlagSet) controllerFlags {
	return controllerFlags{
		address:     flags.String("controller", "", "host:port"),
		name:        flags.String("name", "controller.ambit.dev", "name its certificate must carry"),
		roots:       flags.String("controller-roots", "", "PEM file: whom to believe to be the controller"),
		certificate: flags.String("node-cert", "", "PEM file of the node's certificate; empty shows none"),
		key:         flags.String("node-key", "", "PEM file of its key"),
		token:       flags.String("token", "", "bearer token; empty sends none"),
	}
}

// connect makes a channel with the keepalive that Istio's agents use. Go checks the host name, as they do.
func (f controllerFlags) connect() (*grpc.ClientConn, error) {
	text, err := os.ReadFile(*f.roots)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{ServerName: *f.name, RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
	if !config.RootCAs.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("no certificate in %s", *f.roots)
	}
	if *f.certificate != "" {
		pair, err := tls.LoadX509KeyPair(*f.certificate, *f.key)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{pair}
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(credentials.NewTLS(config)),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 30 * time.Second, Timeout: 10 * time.Second}),
	}
	if *f.token != "" {
		options = append(options, grpc.WithPerRPCCredentials(bearer(*f.token)))
	}
	return grpc.NewClient(*f.address, options...)
}

// bearer sends a token with every call, as workloads send that of their service account.
type bearer string

func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(b)}, nil
}

func (bearer) RequireTransportSecurity() bool { return true }
