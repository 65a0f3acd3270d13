//go:build deps

// Package conformance keeps what the suite of Gateway API needs in go.mod; the suite itself is a test of its own module.
package conformance

import _ "sigs.k8s.io/gateway-api/conformance"
