package main

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"flag"
	"net/url"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"
	pb "istio.io/api/security/v1alpha1"
)

// answered is what the controller said to a request for a certificate.
type answered struct {
	Code    string   `json:"code"`
	Message string   `json:"message"`
	Chain   []string `json:"chain"`
}

// caClient asks as a node's agent does: for the identity of a workload on its node, with a request that has an empty
// subject and one URI name. The chain goes to OUT.pem without its last element, the roots to OUT-roots.pem, the key to OUT.key.
func caClient(flags *flag.FlagSet, args []string) error {
	controller := addControllerFlags(flags)
	identity := flags.String("identity", "", "identity to ask for")
	requested := flags.String("csr-identity", "", "identity in the signing request, when it is another")
	keyType := flags.String("key-type", "p256", "p256, p384 or rsa")
	validity := flags.Duration("validity", 24*time.Hour, "how long it shall be valid")
	out := flags.String("out", "", "path without ending; empty writes nothing")
	flags.Parse(args)
	if *requested == "" {
		requested = identity
	}
	key, err := newKey(*keyType)
	if err != nil {
		return err
	}
	uri, err := url.Parse(*requested)
	if err != nil {
		return err
	}
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{URIs: []*url.URL{uri}}, key)
	if err != nil {
		return err
	}
	connection, err := controller.connect()
	if err != nil {
		return err
	}
	defer connection.Close()
	metadata, err := structpb.NewStruct(map[string]any{"ImpersonatedIdentity": *identity})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	response, err := pb.NewIstioCertificateServiceClient(connection).CreateCertificate(ctx, &pb.IstioCertificateRequest{
		Csr:              string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: request})),
		ValidityDuration: int64(validity.Seconds()),
		Metadata:         metadata,
	})
	if err != nil {
		report(answered{Code: status.Code(err).String(), Message: status.Convert(err).Message()})
		return nil
	}
	chain := response.GetCertChain()
	if *out != "" {
		last := len(chain) - 1
		if err := os.WriteFile(*out+".pem", []byte(strings.Join(chain[:last], "\n")), 0o600); err != nil {
			return err
		}
		if err := os.WriteFile(*out+"-roots.pem", []byte(chain[last]), 0o600); err != nil {
			return err
		}
		if err := writeKey(*out+".key", key); err != nil {
			return err
		}
	}
	report(answered{Code: "OK", Chain: chain})
	return nil
}
