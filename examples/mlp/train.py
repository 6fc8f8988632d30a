#!/usr/bin/env python3
"""Trains the example: two moons, 2-12-2 with ReLU, plain gradient descent.

Writes weights.json, and rows.txt with one input a line: 120 points to calibrate
and to test on. Needs nothing but Python; the same numbers every time.
"""
import json
import math
import random

rng = random.Random(7)
HIDDEN, STEPS, RATE = 12, 4000, 0.15


def moon(label):
    a = rng.uniform(0, math.pi)
    x, y = (math.cos(a), math.sin(a)) if label == 0 else (1 - math.cos(a), 0.5 - math.sin(a))
    return [x + rng.gauss(0, 0.08), y + rng.gauss(0, 0.08)]


rows = [(moon(i % 2), i % 2) for i in range(120)]
w1 = [[rng.gauss(0, 1) for _ in range(HIDDEN)] for _ in range(2)]
b1, w2, b2 = [0.0] * HIDDEN, [[rng.gauss(0, 0.5) for _ in range(2)] for _ in range(HIDDEN)], [0.0, 0.0]


def forward(x):
    h = [max(0.0, sum(x[i] * w1[i][j] for i in range(2)) + b1[j]) for j in range(HIDDEN)]
    return h, [sum(h[j] * w2[j][k] for j in range(HIDDEN)) + b2[k] for k in range(2)]


for _ in range(STEPS):
    x, label = rng.choice(rows)
    h, z = forward(x)
    e = [math.exp(v - max(z)) for v in z]
    d = [e[k] / sum(e) - (k == label) for k in range(2)]
    dh = [sum(d[k] * w2[j][k] for k in range(2)) * (h[j] > 0) for j in range(HIDDEN)]
    for j in range(HIDDEN):
        for k in range(2):
            w2[j][k] -= RATE * d[k] * h[j]
        b1[j] -= RATE * dh[j]
        for i in range(2):
            w1[i][j] -= RATE * dh[j] * x[i]
    for k in range(2):
        b2[k] -= RATE * d[k]

right = sum((forward(x)[1][1] > forward(x)[1][0]) == (label == 1) for x, label in rows)
print(f"{right} of {len(rows)} right")
rounded = lambda v: [rounded(x) for x in v] if isinstance(v, list) else round(v, 4)
with open("weights.json", "w") as f:
    f.write(json.dumps({"w1": rounded(w1), "b1": rounded(b1), "w2": rounded(w2), "b2": rounded(b2)}) + "\n")
with open("rows.txt", "w") as f:
    f.writelines(json.dumps({"x": [rounded(x)]}) + "\n" for x, _ in rows)
