"""Numbers of `src/ood/mahalanobis.rs`: NumPy, by the definitions and without a Cholesky factor.

    python crates/echo-clinical/tests/reference/mahalanobis.py
"""

import numpy as np


def numbers(rows, shift):
    place = np.arange(rows * 4)
    return (((place * 7 + shift) * (place + 3)) % 23 / 11 + place % 4 * (place // 4 % 5) - 1).reshape(rows, 4)


def shrunk(scatter, degrees):
    """Chen et al. 2010, equation 23."""
    p, s = len(scatter), scatter / degrees
    above = (1 - 2 / p) * np.trace(s @ s) + np.trace(s) ** 2
    below = (degrees + 1 - 2 / p) * (np.trace(s @ s) - np.trace(s) ** 2 / p)
    rho = min(above / below, 1)
    print("shrinkage", rho)
    return (1 - rho) * s + rho * np.trace(s) / p * np.eye(p)


train, classes, samples = numbers(19, 1), np.arange(19) % 3, numbers(3, 5)
means = np.array([train[classes == c].mean(0) for c in range(3)])
residuals = train - means[classes]
inverse = np.linalg.inv(shrunk(residuals.T @ residuals, len(train) - 3))
for x in samples:
    print(-min((x - mean) @ inverse @ (x - mean) for mean in means))
