// Package tls connects the parties over the network: TLS 1.3, both sides
// authenticated by pinned certificates.
//
// An [Identity] is a self-signed Ed25519 certificate with its key, in one PEM
// file that only its owner may read. There is no authority: each party is told
// the [Fingerprint] of the other's certificate and accepts nothing else. A
// refused, unknown or expired certificate is one sentence, on both sides,
// before any message of the session.
//
// [Dial] and [Listen] take host:port, or unix: and a path for a socket in the
// file system.
//
// The package must not know what a session sends.
//
// Read first: [Identity], [Config], [Dial], [Server].
//
// Source: RFC 8446 (TLS 1.3).
package tls
