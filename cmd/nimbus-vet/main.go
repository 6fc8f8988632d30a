// Nimbus-vet checks this repository's own rules, those of internal/analyzers:
//
//	go run ./cmd/nimbus-vet ./...
//
// or, faster, as go vet's tool:
//
//	go build -o nimbus-vet ./cmd/nimbus-vet && go vet -vettool=./nimbus-vet ./...
package main

import (
	"golang.org/x/tools/go/analysis/multichecker"

	"nimbus/internal/analyzers"
)

func main() { multichecker.Main(analyzers.All()...) }
