// Package backend lowers an fx-level module to a plan: for every op the
// protocol that rules names, the parameter set and tile that params and cost
// favour, and the exact correlations a run will consume.
//
// It owns no arithmetic: what values mean is settled before it (passes), what
// messages look like after it (runtime). Read Lower first.
package backend
