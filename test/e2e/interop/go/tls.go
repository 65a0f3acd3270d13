package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
)

// tlsFlags are those every role with a mesh certificate has.
type tlsFlags struct {
	certificate, key, roots, peer, alpn, maximum *string
}

func addTlsFlags(flags *flag.FlagSet) tlsFlags {
	return tlsFlags{
		certificate: flags.String("cert", "", "PEM file, leaf first"),
		key:         flags.String("key", "", "PEM file"),
		roots:       flags.String("roots", "", "PEM file: whom to believe"),
		peer:        flags.String("peer", "", "URI name the peer must have; empty takes any"),
		alpn:        flags.String("alpn", "h2", "protocols to offer, comma-separated"),
		maximum:     flags.String("tls", "1.3", "highest version: 1.2 or 1.3"),
	}
}

// tlsFacts is what a handshake agreed on.
type tlsFacts struct {
	Version  string `json:"version"`
	Group    string `json:"group"`
	Suite    string `json:"suite"`
	Protocol string `json:"protocol"`
	Peer     string `json:"peer"`
}

func factsOf(state tls.ConnectionState) tlsFacts {
	return tlsFacts{
		Version:  tls.VersionName(state.Version),
		Group:    state.CurveID.String(),
		Suite:    tls.CipherSuiteName(state.CipherSuite),
		Protocol: state.NegotiatedProtocol,
		Peer:     uriOf(state.PeerCertificates),
	}
}

func uriOf(chain []*x509.Certificate) string {
	if len(chain) == 0 || len(chain[0].URIs) == 0 {
		return ""
	}
	return chain[0].URIs[0].String()
}

// handshakes remembers the last one of a configuration.
type handshakes struct {
	mutex sync.Mutex
	count int
	last  tlsFacts
}

func (h *handshakes) add(state tls.ConnectionState) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	h.count++
	h.last = factsOf(state)
}

func (h *handshakes) read() (int, tlsFacts) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	return h.count, h.last
}

// config is mutual TLS by URI name, for either side: host names say nothing in a mesh, so chain and name are checked here.
func (f tlsFlags) config(isServer bool) (*tls.Config, *handshakes, error) {
	pair, err := tls.LoadX509KeyPair(*f.certificate, *f.key)
	if err != nil {
		return nil, nil, err
	}
	text, err := os.ReadFile(*f.roots)
	if err != nil {
		return nil, nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, nil, fmt.Errorf("no certificate in %s", *f.roots)
	}
	usage := x509.ExtKeyUsageServerAuth
	if isServer {
		usage = x509.ExtKeyUsageClientAuth
	}
	seen := &handshakes{}
	config := &tls.Config{
		Certificates:       []tls.Certificate{pair},
		NextProtos:         strings.Split(*f.alpn, ","),
		MinVersion:         tls.VersionTLS12,
		ClientAuth:         tls.RequireAnyClientCert,
		InsecureSkipVerify: true,
		VerifyConnection: func(state tls.ConnectionState) error {
			if err := verifyChain(state.PeerCertificates, roots, usage); err != nil {
				return err
			}
			if name := uriOf(state.PeerCertificates); *f.peer != "" && name != *f.peer {
				return fmt.Errorf("the peer is %q, expected %q", name, *f.peer)
			}
			seen.add(state)
			return nil
		},
	}
	if *f.alpn == "" {
		config.NextProtos = nil
	}
	if *f.maximum == "1.2" {
		config.MaxVersion = tls.VersionTLS12
	}
	return config, seen, nil
}

func verifyChain(chain []*x509.Certificate, roots *x509.CertPool, usage x509.ExtKeyUsage) error {
	if len(chain) == 0 {
		return errors.New("the peer has no certificate")
	}
	between := x509.NewCertPool()
	for _, certificate := range chain[1:] {
		between.AddCert(certificate)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{
		Roots:         roots,
		Intermediates: between,
		KeyUsages:     []x509.ExtKeyUsage{usage},
	})
	return err
}
