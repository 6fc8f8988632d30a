package main

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"nimbus/passes"
)

// budgets is a flag.Value that gathers -error-budget E and -error-budget NAME=E.
type budgets map[string]float64

func (b budgets) String() string { return "" }

func (b budgets) Set(text string) error {
	name, value, named := strings.Cut(text, "=")
	if !named {
		name, value = "", text
	} else if !slices.Contains(passes.Functions(), name) {
		return fmt.Errorf("there is no function %q; there are %s", name, strings.Join(passes.Functions(), ", "))
	}
	e, err := strconv.ParseFloat(value, 64)
	if err != nil || math.IsNaN(e) || e <= 0 || e > 1 {
		return errors.New("a budget is an error above 0 and at most 1, for every function (0.01) or for one (gelu=0.01)")
	}
	b[name] = e
	return nil
}

const budgetUsage = "fit each function with the fewest pieces whose expected error is at most `E`, or that one function with NAME=E; may be repeated (default: each function's own)"

// budgetHint says how to widen a budget that cannot be met.
func budgetHint(err error) error {
	if e := (*passes.BudgetError)(nil); errors.As(err, &e) {
		return hinted(err, "-error-budget %s=%g can be met; more calibration text of the usual kind may help", e.Function, e.Least())
	}
	return err
}
