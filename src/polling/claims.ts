/** Keeps the accounts of one run from reading the same valve: the next account reads it only if the first could not. */

/** What one account has of the claims. */
export interface Claims {
  /** no account has claimed the valve */
  isFree: (id: string) => boolean;
  /** Waits while another account reads the valve. False: it has stored what it read. */
  claim: (id: string) => Promise<boolean>;
  /** Not stored: another account may try. */
  release: (id: string, isStored: boolean) => void;
  /** Releases what is left, and claims no more. */
  end: () => void;
}

/** Returns the function that gives an account its part. */
export function createClaims(): () => Claims {
  const claims = new Map<string, Claim>();
  return () => {
    const own = new Map<string, Claim>();
    let hasEnded = false;
    const release = (id: string, isStored: boolean) => {
      const claim = own.get(id);
      if (!claim) return;
      own.delete(id);
      if (!isStored) claims.delete(id);
      claim.settle(isStored);
    };
    return {
      isFree: (id) => !claims.has(id),
      async claim(id) {
        for (let other = claims.get(id); other; other = claims.get(id)) if (await other.isStored) return false;
        if (hasEnded) return false;
        const claim = createClaim();
        own.set(id, claim);
        claims.set(id, claim);
        return true;
      },
      release,
      end() {
        hasEnded = true;
        for (const id of [...own.keys()]) release(id, false);
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
