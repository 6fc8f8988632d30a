// Package vault keeps what a party has prepared for later runs: encrypted
// files, each of which is used once.
//
// An item is a number and bytes of which this package knows nothing. Two
// counters stand beside the items: no item below Floor is ever read again, and
// no item from Next on has ever been made. [Vault.Take] raises the first, and
// syncs it to disk, before anything of the item may be used, so that a crash
// loses an item and never brings one back. Numbers are not used again.
//
// Files are sealed with AES-256-GCM in pieces, under a key of their own each,
// derived from the vault's key and a salt; associated data are the owner (the
// plan, the keys, the party, its peer) and the item's number, and every piece
// says its place and whether it is the last. So a file that was changed, cut,
// renamed or moved to another vault does not open.
//
// What a vault cannot see alone is a folder that went back in time: it holds
// items, and counters, that were good when they were written. The counters
// name the folder's inode, which a copy or a restored backup does not have; a
// snapshot of a whole disk has it. So the two parties compare their counters
// when they meet (runtime/stored.go).
//
// The package must not know plans, protocols or connections.
//
// Read first: Vault.
package vault
