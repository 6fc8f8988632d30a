// Package shared finds material that tests use but the repository does not
// carry, such as reference models with their recorded logits.
//
// The folder is named by the environment variable NIMBUS_SHARED, or is the
// folder "shared" beside the repository. A test that asks for it is skipped
// where there is none. Only tests import this package.
package shared
