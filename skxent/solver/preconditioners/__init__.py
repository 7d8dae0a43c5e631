"""Changes of variables ``params = base + T u`` that make the Hessian near the identity.

L-BFGS is slow if the curvature of its variables differs by orders of magnitude. SciPy's
accepts no initial Hessian, but minimising ``F(T u)`` over ``u`` has the same effect if
``T Tᵀ`` is near the inverse Hessian. The optimum, penalty included, does not change. If
``H = Uᵀ U`` then ``T = U⁻¹``.

A `base.Preconditioner` is such a change of variables. A `base.Recipe` builds one and
knows its price. `choice` picks the recipe that promises the shortest fit.
"""
