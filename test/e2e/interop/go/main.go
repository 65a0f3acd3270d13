// Command interop plays the programs of others that Ambit must understand: peers made of Istio's own Go packages, of Go's
// HTTP/2 and TLS, of Go's gRPC and Envoy's protocol definitions. What it finds out goes to standard output as JSON, one
// value a line; tests written in TypeScript judge it.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"sync"

	"istio.io/istio/pkg/log"
)

// role is one thing this program can be; run parses its own flags.
type role struct {
	name  string
	about string
	run   func(flags *flag.FlagSet, args []string) error
}

var roles = []role{
	{"certificates", "make a certificate authority and certificates of identities", certificates},
	{"tcp-server", "answer every byte with itself, in plain TCP", tcpServer},
	{"tcp-client", "send bytes in plain TCP and compare what comes back", tcpClient},
	{"hbone-server", "Istio's HBONE server behind mutual TLS", hboneServer},
	{"hbone-client", "Istio's HBONE dialer over mutual TLS", hboneClient},
	{"hbone-hold", "keep a tunnel of Istio's dialer busy until it ends", hboneHold},
	{"odd-client", "an HTTP/2 client that does unusual things", oddClient},
	{"odd-server", "an HTTP/2 server that does unusual things", oddServer},
	{"ca-client", "ask a controller for a certificate", caClient},
	{"ads-client", "subscribe to a controller, as standard input says", adsClient},
}

func main() {
	// Standard output is for our values.
	logging := log.DefaultOptions()
	logging.OutputPaths = []string{"stderr"}
	if err := log.Configure(logging); err != nil {
		panic(err)
	}
	if len(os.Args) > 1 {
		for _, candidate := range roles {
			if candidate.name != os.Args[1] {
				continue
			}
			if err := candidate.run(flag.NewFlagSet(candidate.name, flag.ExitOnError), os.Args[2:]); err != nil {
				fmt.Fprintf(os.Stderr, "interop %s: %v\n", candidate.name, err)
				os.Exit(1)
			}
			return
		}
	}
	for _, known := range roles {
		fmt.Fprintf(os.Stderr, "  %-14s %s\n", known.name, known.about)
	}
	os.Exit(2)
}

var output sync.Mutex

// report writes one value as a line; several goroutines may call it.
func report(value any) {
	line, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	output.Lock()
	defer output.Unlock()
	os.Stdout.Write(append(line, '\n'))
}

// event names what a line is about, for roles that write several.
type event struct {
	Event string `json:"event"`
}
