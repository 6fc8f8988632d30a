// Package tokenizer turns text into token ids exactly as the tokenizer that a
// Hugging Face model was trained with: BertTokenizerFast's normalizer,
// pre-tokenizer, WordPiece and template, RobertaTokenizerFast's byte-level BPE and
// template, or AlbertTokenizerFast's SentencePiece unigram model.
//
// Load reads tokenizer.json, or vocab.txt, or vocab.json and merges.txt, with
// tokenizer_config.json. Encode
// gives ids, token types and mask padded to the length a plan was compiled for.
//
// The package must not know models, the IR or any protocol: it is what the
// client runs on its private text before anything else, so its errors name
// lengths and positions and never quote the text.
//
// Read first: Config, Tokenizer, Encoding.
//
// Reference: Y. Wu et al., "Google's Neural Machine Translation System", 2016,
// section 4.1 (WordPiece); A. Radford et al., "Language Models are Unsupervised
// Multitask Learners", 2019, section 2.2 (byte-level BPE); T. Kudo, "Subword Regularization", 2018 (unigram model); J. Devlin et al., "BERT", 2019, section 3 (template).
package tokenizer
