"""Changes of variables ``params = base + T u`` that make the Hessian near the identity.

L-BFGS is slow where the curvature of its variables differs by orders of magnitude.
SciPy's takes no initial Hessian, but minimising ``F(T u)`` over ``u`` does the same
when ``T Tᵀ`` is near the inverse Hessian, and leaves the optimum, penalty included,
exactly where it was. If ``H = Uᵀ U`` then ``T = U⁻¹``.

A `base.Preconditioner` is such a change of variables. A `base.Recipe` makes one, and
knows what it costs. `choice` picks the recipe that promises the least time.
"""
