// Package picture turns an image into the input of a ViT: patches, normalised as
// the model was trained.
//
// Load reads preprocessor_config.json. Decode gives the patches of a PNG, Patches
// those of an image: one row per patch, a row of zeros for the class token
// before them.
//
// The package must not know models, the IR or any protocol: it is what the
// client runs on its private image before anything else, so its errors name
// sizes and never pixels.
//
// Read first: Processor.
//
// Reference: A. Dosovitskiy et al., "An Image is Worth 16x16 Words", 2021,
// section 3.1.
package picture
