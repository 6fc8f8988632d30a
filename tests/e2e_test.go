package tests

import (
	"bufio"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"

	"nimbus/backend"
	"nimbus/backend/cost"
	"nimbus/frontend"
	"nimbus/frontend/bundle"
	"nimbus/internal/z2k"
	"nimbus/ir"
	"nimbus/ir/eval"
	"nimbus/ir/plan"
	"nimbus/ir/weights"
	"nimbus/models"
	"nimbus/passes"
	"nimbus/tests/modeltest"
	"nimbus/tests/shared"
)

// wholeModel is a trained model with its plan, deployed.
type wholeModel struct {
	*deployment
	reader  *bundle.Reader
	twin    *eval.Program
	account *backend.Account
}

// deployModel sets a client up for a plan of b's model.
func deployModel(dir string, b *bundle.Bundle, m *ir.Module, src weights.Source) (*wholeModel, error) {
	w := &wholeModel{}
	var err error
	if w.reader, err = b.Reader(m); err != nil {
		return nil, err
	}
	if w.twin, err = eval.New(m, src, eval.Options{}); err != nil {
		return nil, err
	}
	if w.account, err = backend.AccountOf(m); err != nil {
		return nil, err
	}
	w.deployment, err = deploy(dir, m, src)
	return w, err
}

// embedded is the embedded plan, deployed once for all tests of this package.
var embedded = sync.OnceValues(func() (*wholeModel, error) { return deployEmbedded(binaryDir, "s32.plan") })

// deployEmbedded sets a client up for one of the embedded model's plans, changed.
func deployEmbedded(dir, name string, change ...func(*ir.Module)) (*wholeModel, error) {
	const model = "nimbus-sst2-tiny"
	b, err := bundle.Open(model)
	if err != nil {
		return nil, err
	}
	files, err := models.Open(model)
	if err != nil {
		return nil, err
	}
	text, err := fs.ReadFile(files, name)
	if err != nil {
		return nil, err
	}
	m, err := plan.Parse(name, string(text))
	if err != nil {
		return nil, err
	}
	for _, f := range change {
		f(m)
	}
	src, err := b.Weights(frontend.Set{"seq": m.Attrs.Int("seq", 0)})
	if err != nil {
		return nil, err
	}
	return deployModel(dir, b, m, src)
}

// binaryDir is a folder for what the tests of this binary share.
var binaryDir string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if binaryDir, err = os.MkdirTemp("", "nimbus-tests-"); err != nil {
			panic(err)
		}
		defer os.RemoveAll(binaryDir)
		return m.Run()
	}())
}

// ownSentences are this project's own, from the model's reference file and
// beyond: short, long, empty of sense, and with letters the vocabulary lacks.
var ownSentences = []string{
	"A warm, funny and generous film.",
	"Dull. Loud. Endless!",
	"Café scenes aside, it never comes alive.",
	"no",
	"???",
	"the the the the the the the the the the the the the the the the the the the the the the the the the the the the the the",
	"a film about 量子 and 🎬, of all things",
}

// TestWholeModel runs sentences through the embedded model's plan as two
// parties. The logits are the twin's within the tolerance that the plan states,
// the label is the twin's, and every op sends what the account says. Setup is
// made once; with -short there are three sentences.
func TestWholeModel(t *testing.T) {
	m, err := embedded()
	if err != nil {
		t.Fatal(err)
	}
	if got := int64(m.prog.ClientSends); got != m.account.Online.COTClientSends {
		t.Errorf("the plan says that the client sends %d correlations, the account %d", got, m.account.Online.COTClientSends)
	}
	if got := int64(m.prog.ServerSends); got != m.account.Online.COTServerSends {
		t.Errorf("the plan says that the server sends %d correlations, the account %d", got, m.account.Online.COTServerSends)
	}
	session := m.start(t, options{})
	defer session.stop()
	t.Run("own", func(t *testing.T) {
		texts := ownSentences
		if testing.Short() {
			texts = texts[:3]
		}
		for _, text := range texts {
			m.compare(t, session, text)
		}
	})
	t.Run("dev", func(t *testing.T) {
		all := sentences(t, shared.Path(t, "data", "sst2", "dev.tsv"))
		if testing.Short() {
			t.Skip("-short")
		}
		for _, text := range everyNth(all, len(all)/30) {
			m.compare(t, session, text)
		}
	})
}

// sentences reads the texts of a tab-separated file with a head line.
func sentences(t *testing.T, file string) (texts []string) {
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	for s.Scan() {
		text, _, _ := strings.Cut(s.Text(), "\t")
		texts = append(texts, text)
	}
	return texts[1:]
}

// compare runs one text both ways.
func (m *wholeModel) compare(t *testing.T, session *parties, text string) {
	t.Helper()
	session.tb = t
	in, err := m.reader.Text(text, true)
	if err != nil {
		t.Fatal(err)
	}
	ring := map[string][]uint64{}
	for name, v := range in.Values {
		ring[name] = v.Ring
	}
	want, err := m.twin.Run("main", in.Values)
	if err != nil {
		t.Fatal(err)
	}
	got, client, server := session.run(ring)
	worst := distance(want[0].Type.Elem, got[0], want[0].Ring)
	if most := int64(m.prog.Module.Attrs.Int("tolerance", -1)); worst > most {
		t.Errorf("%q: logits are %d units of the last bit from the twin's, the plan says at most %d", text, worst, most)
	}
	private := eval.Value{Type: want[0].Type, Ring: got[0]}
	if a, b := modeltest.Argmax(private.Reals()), modeltest.Argmax(want[0].Reals()); a != b {
		t.Errorf("%q: label %d, the twin says %d: logits %v and %v", text, a, b, private.Reals(), want[0].Reals())
	}
	checkAccount(t, m.account, client, server)
	t.Logf("%-40.40q %.2f s, %d units off, logits %.3f", text, client.Online.Seconds, worst, private.Reals())
}

// TestLongPlan runs the embedded model's plan for 128 tokens.
func TestLongPlan(t *testing.T) {
	if testing.Short() {
		t.Skip("-short")
	}
	m, err := deployEmbedded(t.TempDir(), "s128.plan")
	if err != nil {
		t.Fatal(err)
	}
	defer m.close()
	session := m.start(t, options{})
	defer session.stop()
	m.compare(t, session, ownSentences[0])
	m.compare(t, session, strings.Repeat("It starts slowly, finds its feet in the second act, and never looks back. ", 8))
}

// TestSilent runs the embedded model's plan with Ferret and the base OT against which no
// quantum attack is known: the first runs of a session, which go through several iterations.
func TestSilent(t *testing.T) {
	m, err := deployEmbedded(t.TempDir(), "s32.plan", func(m *ir.Module) {
		m.Attrs.Set("extension", ir.Ident("ferret10"))
		m.Attrs.Set("base", ir.Ident("mlkem"))
	})
	if err != nil {
		t.Fatal(err)
	}
	defer m.close()
	checkOffline(t, m.deployment)
	session := m.start(t, options{})
	defer session.stop()
	for _, text := range ownSentences[:2] {
		m.compare(t, session, text)
	}
}

// TestAhead runs the embedded model's plan with its products made ahead: twice the same answers
// as the twin's, for the bytes and rounds of the account, most of them before the text is there.
func TestAhead(t *testing.T) {
	m, err := deployEmbedded(t.TempDir(), "s32.plan", backend.RunAhead)
	if err != nil {
		t.Fatal(err)
	}
	defer m.close()
	checkOffline(t, m.deployment)
	online := m.account.Online
	if ahead := online.AheadC2S + online.AheadS2C; ahead == 0 || online.HEMul == 0 || online.Work.Path[cost.MAC] != 0 || online.Work.Path[cost.NTT] != 0 {
		t.Errorf("%d bytes ahead, online %v", ahead, online)
	}
	session := m.start(t, options{})
	defer session.stop()
	for _, text := range ownSentences[:2] {
		m.compare(t, session, text)
	}
}

// TestPublicModel compiles a public BERT with a vocabulary of 30,522 words from
// its Hugging Face folder and runs some sentences through it as two parties.
func TestPublicModel(t *testing.T) {
	folder := shared.Path(t, "models", "bert-tiny-sst2")
	if testing.Short() {
		t.Skip("-short")
	}
	m := modeltest.Open(t, folder, frontend.Set{"seq": 24})
	if err := backend.Compile(m.Module, backend.Job{Source: m.Source, Examples: m.Calibration(t)}); err != nil {
		t.Fatal(err)
	}
	model, err := deployModel(t.TempDir(), m.Bundle, m.Module, m.Source)
	if err != nil {
		t.Fatal(err)
	}
	defer model.close()
	session := model.start(t, options{})
	defer session.stop()
	for _, text := range []string{"a gripping, moving film", "it never comes alive", "dull, loud and endless"} {
		model.compare(t, session, text)
	}
}

// distance is the largest difference of two vectors of e, in units of its last
// bit.
func distance(e ir.Elem, a, b []uint64) (worst int64) {
	for i := range a {
		d := z2k.Signed((a[i]-b[i])&z2k.Mask(e.Width), e.Width)
		worst = max(worst, d, -d)
	}
	return worst
}

// TestTinyModels compiles every models/*/tiny.model, one of each family, with
// made-up weights and runs it as two parties: outputs are the twin's within the
// plan's tolerance, every op sends what the account says, and no matrix is there
// twice.
func TestTinyModels(t *testing.T) {
	var names []string
	for _, folder := range models.Names() {
		dir, err := models.Open(folder)
		if err != nil {
			continue // a file
		}
		if _, err := fs.Stat(dir, "tiny.model"); err == nil {
			names = append(names, path.Join(folder, "tiny"))
		}
	}
	if !slices.Contains(names, "bert/tiny") {
		t.Errorf("there is no bert/tiny among %v", names)
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) { testTiny(t, name) })
	}
}

func testTiny(t *testing.T, name string) {
	one := modeltest.Open(t, name, nil)
	m, src := one.Module, one.Source
	float := m.Clone()
	rng := newRand(t, 1)
	var examples []passes.Example
	for range 24 {
		examples = append(examples, modeltest.Input(rng, m))
	}
	if err := backend.Compile(m, backend.Job{Source: src, Examples: examples}); err != nil {
		t.Fatal(err)
	}
	recipes := map[string]bool{}
	for _, w := range m.Weights {
		recipe := w.Attrs.String()
		if recipes[recipe] && w.Type.Rank() > 1 { // vectors are not encrypted: each reader has its own format
			t.Errorf("two weights are %s", recipe)
		}
		recipes[recipe] = true
	}
	model, err := deployModel(t.TempDir(), one.Bundle, m, src)
	if err != nil {
		t.Fatal(err)
	}
	defer model.close()
	session := model.start(t, options{})
	defer session.stop()
	tolerance := int64(m.Attrs.Int("tolerance", -1))
	for i := range 2 {
		in, ring := modeltest.Input(rng, float).Inputs, map[string][]uint64{}
		for _, p := range m.Func("main").Params {
			v := in[p.Name]
			if ring[p.Name] = v.Ring; v.Real != nil {
				if ring[p.Name], err = weights.EncodeReals(p.Type.Elem, v.Real); err != nil {
					t.Fatal(err)
				}
			}
		}
		want, err := model.twin.Run("main", clearInputs(ring))
		if err != nil {
			t.Fatal(err)
		}
		got, client, server := session.run(ring)
		for k, w := range want {
			worst := distance(w.Type.Elem, got[k], w.Ring)
			if worst > tolerance {
				t.Errorf("input %d: result %d is %d units of the last bit from the twin's, the plan says at most %d", i, k, worst, tolerance)
			}
			t.Logf("input %d: %d units off, at most %d; %.2f s, %g rounds", i, worst, tolerance, client.Online.Seconds, client.Online.Rounds)
		}
		checkAccount(t, model.account, client, server)
	}
}
