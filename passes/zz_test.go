package passes

import (
	"fmt"
	"os"
	"testing"

	"nimbus/frontend/hf"
)

func TestZZ(t *testing.T) {
	md, err := hf.Open(os.DirFS("/work/shared/models/nimbus-sst2-tiny"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := md.Module(map[string]any{"seq": 32})
	if err != nil {
		t.Fatal(err)
	}
	if err := Run(m, []Pass{Expand, FuseQKV, FoldScale, CSE, DCE}, nil, nil); err != nil {
		t.Fatal(err)
	}
	fmt.Println(m)
}
