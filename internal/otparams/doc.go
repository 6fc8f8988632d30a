// Package otparams is the table of the ways to make correlated OTs (COTs): the OT
// extensions with the LPN parameter sets of the silent ones, and the base OTs under
// them, with what a set costs in COTs and on the wire.
//
// It is data and closed formulas only. Compiler and runtime share it: the compiler
// chooses and prices, the runtime refuses what is not in the table. It must know
// neither messages nor keys.
//
// Read first: [Extensions], [LPN], [Bases].
package otparams
