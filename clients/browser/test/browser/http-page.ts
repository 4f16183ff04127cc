// Puts the player over Media Source Extensions on a page, for a test.

import { canPlayWithMse, MsePlayer, needsMse } from "../../src/fallback/mse.ts";

Object.assign(globalThis, { MsePlayer, canPlayWithMse, needsMse });
