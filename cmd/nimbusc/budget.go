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

// budgets is a flag.Value that gathers -error-budget E and -error-budget NAME=E;
// a name is a function's, or that of the results.
type budgets map[string]float64

func (b budgets) String() string { return "" }

func (b budgets) Set(text string) error {
	name, value, named := strings.Cut(text, "=")
	if !named {
		name, value = "", text
	} else if !slices.Contains(passes.Functions(), name) && name != passes.ResultsBudget {
		return fmt.Errorf("there is no function %q; there are %s; or %s", name, strings.Join(passes.Functions(), ", "), passes.ResultsBudget)
	}
	e, err := strconv.ParseFloat(value, 64)
	if err != nil || math.IsNaN(e) || e <= 0 || e > 1 {
		return errors.New("a budget is an error above 0 and at most 1, for every function (0.01), for one (gelu=0.01), or for the results (results=0.006)")
	}
	b[name] = e
	return nil
}

const budgetUsage = "fit each function with the fewest pieces whose expected error is at most `E`, or that one function with NAME=E; results=E: choose widths so that results are within E of real numbers, relative; may be repeated (default: each function's own, results=0.006)"

// budgetHint says how to widen a budget that cannot be met.
func budgetHint(err error) error {
	if e := (*passes.BudgetError)(nil); errors.As(err, &e) {
		return hinted(err, "-error-budget %s=%g can be met; more calibration text of the usual kind may help", e.Function, e.Least())
	}
	if e := (*passes.WidthsError)(nil); errors.As(err, &e) {
		if e.Fits >= e.Budget {
			return hinted(err, "fit functions more closely, as with -error-budget %g; -error-budget %s=%g can be met without", fitsHint, passes.ResultsBudget, e.Least())
		}
		return hinted(err, "-error-budget %s=%g can be met", passes.ResultsBudget, e.Least())
	}
	return err
}

// fitsHint is a budget of fits that is closer than any default.
const fitsHint = 0.002
