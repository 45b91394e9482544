"""ADE20K: index masks of the scene parsing benchmark (ADEChallengeData2016), or coded masks of the full set."""
