"""Study: what encoders are worth on small sets, beside features that nothing was learned for."""
