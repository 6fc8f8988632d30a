//go:build !amd64 || purego

package kernel

const bestAES = plainAES

// hashUnit hashes blocks of one epoch.
func hashUnit(_ aesUnit, dst, src []Block, group int, tweak uint64, key Block) {
	hashEpoch(dst, src, group, tweak, newAES(key))
}

// newSchedule returns nothing: schedules are not used here.
func newSchedule(Block) schedule { return schedule{} }

func (*schedule) encrypt(b Block) Block { return b }
