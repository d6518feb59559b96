/** If several accounts of a run see the same valve, only one reads it. Another account tries only if the first failed. */

/** The claims, as one account uses them. */
export interface Claims {
  /** no account has claimed the valve */
  isFree: (id: string) => boolean;
  /** Waits while another account reads the valve. false: do not read it. The other account has stored it, or `end` was called. */
  claim: (id: string) => Promise<boolean>;
  /** Ends a claim, if the account has one. If the valve was not stored, another account may claim it. */
  release: (id: string, isStored: boolean) => void;
  /** Releases all claims as not stored. Later claims return false. */
  end: () => void;
}

/** Call once per run. Returns a function: call it once per account. */
export function createClaims(): () => Claims {
  const claims = new Map<string, Claim>();
  return () => {
    const claimsOfAccount = new Map<string, Claim>();
    let hasEnded = false;
    const release = (id: string, isStored: boolean) => {
      const claim = claimsOfAccount.get(id);
      if (!claim) return;
      claimsOfAccount.delete(id);
      if (!isStored) claims.delete(id);
      claim.settle(isStored);
    };
    return {
      isFree: (id) => !claims.has(id),
      async claim(id) {
        // After another account failed, a third may have claimed the valve: look again.
        for (let other = claims.get(id); other; other = claims.get(id)) {
          if (await other.isStored) return false;
        }
        if (hasEnded) return false;
        const claim = createClaim();
        claimsOfAccount.set(id, claim);
        claims.set(id, claim);
        return true;
      },
      release,
      end() {
        hasEnded = true;
        for (const id of [...claimsOfAccount.keys()]) release(id, false);
      },
    };
  };
}

interface Claim {
  isStored: Promise<boolean>;
  settle: (isStored: boolean) => void;
}

function createClaim(): Claim {
  let settle: Claim['settle'] = () => undefined;
  const isStored = new Promise<boolean>((resolve) => (settle = resolve));
  return { isStored, settle };
}
