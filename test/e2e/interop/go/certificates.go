package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"flag"
	"fmt"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// certificates writes root.pem and, for every NAME=KEY=URI, NAME.pem (leaf and intermediate) and NAME.key (PKCS#8).
func certificates(flags *flag.FlagSet, args []string) error {
	directory := flags.String("dir", ".", "where to write")
	authority := flags.String("authority", "p256", "keys of root and intermediate: p256, p384, rsa")
	flags.Parse(args)

	root, err := newAuthority("root", *authority, nil)
	if err != nil {
		return err
	}
	intermediate, err := newAuthority("intermediate", *authority, root)
	if err != nil {
		return err
	}
	if err := writePem(filepath.Join(*directory, "root.pem"), "CERTIFICATE", root.certificate.Raw); err != nil {
		return err
	}
	for _, wanted := range flags.Args() {
		parts := strings.SplitN(wanted, "=", 3)
		if len(parts) != 3 {
			return fmt.Errorf("%q is not NAME=KEY=URI", wanted)
		}
		if err := intermediate.issue(filepath.Join(*directory, parts[0]), parts[1], parts[2]); err != nil {
			return err
		}
	}
	report(event{"written"})
	return nil
}

type signer struct {
	certificate *x509.Certificate
	key         crypto.Signer
}

// newAuthority signs itself when there is no parent.
func newAuthority(name, keyType string, parent *signer) (*signer, error) {
	key, err := newKey(keyType)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          serial(),
		Subject:               pkix.Name{Organization: []string{"Interop"}, CommonName: name},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(24 * time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	made := &signer{key: key}
	issuer := &signer{certificate: template, key: key}
	if parent != nil {
		issuer = parent
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer.certificate, key.Public(), issuer.key)
	if err != nil {
		return nil, err
	}
	made.certificate, err = x509.ParseCertificate(der)
	return made, err
}

// issue writes a workload's certificate as Istio's authority makes it: one URI name, no subject.
func (s *signer) issue(path, keyType, identity string) error {
	key, err := newKey(keyType)
	if err != nil {
		return err
	}
	uri, err := url.Parse(identity)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber:          serial(),
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(12 * time.Hour),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
		URIs:                  []*url.URL{uri},
	}
	leaf, err := x509.CreateCertificate(rand.Reader, template, s.certificate, key.Public(), s.key)
	if err != nil {
		return err
	}
	if err := writePem(path+".pem", "CERTIFICATE", leaf, s.certificate.Raw); err != nil {
		return err
	}
	return writeKey(path+".key", key)
}

func newKey(keyType string) (crypto.Signer, error) {
	switch keyType {
	case "p256":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "p384":
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "rsa":
		return rsa.GenerateKey(rand.Reader, 2048)
	}
	return nil, fmt.Errorf("unknown key type %q", keyType)
}

func writeKey(path string, key crypto.Signer) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return writePem(path, "PRIVATE KEY", der)
}

func writePem(path, kind string, blocks ...[]byte) error {
	var text []byte
	for _, block := range blocks {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: block})...)
	}
	return os.WriteFile(path, text, 0o600)
}

func serial() *big.Int {
	number, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		panic(err)
	}
	return number
}
