# A pass of Nimbus as a text filter: where nothing but an argmax reads a softmax or
# a sigmoid, the function is left out, since it keeps the order.
#
#   nimbusc opt -passes=dce m.ir | awk -f drop_monotone.awk | nimbusc opt -passes=dce - > out.ir

{ line[NR] = $0 }

# reads tells whether a line reads a value: its name stands after the equals sign.
function reads(text, value,    at, rest) {
	at = index(text, "=")
	rest = " " (text ~ /^ *return/ ? text : substr(text, at + 1)) " "
	gsub(/[,:()]/, " ", rest)
	return index(rest, " " value " ") > 0
}

END {
	for (i = 1; i <= NR; i++) {
		split(line[i], word, " ")
		if (line[i] !~ /= nn\.(softmax|sigmoid) /)
			continue
		argmaxes = others = 0
		for (j = i + 1; j <= NR && line[j] !~ /^  }/; j++)
			if (reads(line[j], word[1]))
				line[j] ~ /= nn\.argmax / ? argmaxes++ : others++
		if (argmaxes == 0 || others > 0)
			continue
		for (j = i + 1; j <= NR && line[j] !~ /^  }/; j++)
			if (reads(line[j], word[1]))
				sub(word[1] " ", word[4] " ", line[j])
		line[i] = ""
	}
	for (i = 1; i <= NR; i++)
		if (line[i] != "")
			print line[i]
}
