//! Connectors: where rows come from and go to. (The lead is writing this folder right now, 14:30; the engine uses its traits.)
