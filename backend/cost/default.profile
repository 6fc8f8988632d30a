{
  "format": "nimbus machine profile",
  "version": 1,
  "machine": "2 CPUs, amd64, AMD EPYC",
  "nanoseconds": {
    "byte": 1.178,
    "cot_send": 7.255,
    "cot_receive": 7.613,
    "value": 5.366,
    "leaf": 6.635,
    "mac": 0.06851,
    "product": 0.5799,
    "unpack": 3.554,
    "expand": 3.509,
    "ntt": 1.912,
    "wide_ntt": 12.33,
    "finish": 37.11,
    "open": 15.36,
    "encrypt": 11.79,
    "zero": 28.75,
    "cot_softspoken_2": 15.25,
    "cot_softspoken_4": 11.16,
    "cot_softspoken_8": 31.44,
    "message": 2.98e+04
  }
}
