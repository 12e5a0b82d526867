import type { Site } from "../../config/site.ts";

const REMEDY = "it takes a restart: systemctl restart busbar";

/** What of `next` cannot be applied to a gateway that runs with `now`, in words; empty: all of it can. */
export function refusals(now: Site, next: Site): string[] {
  const refused: string[] = [];
  if (now.gateway.id !== next.gateway.id) {
    refused.push(`gateway.id cannot change from ${now.gateway.id} to ${next.gateway.id} while running; ${REMEDY}`);
  }
  if (now.store.path !== next.store.path) {
    const kept = "what waits in the old file stays there";
    refused.push(
      `store.path cannot change from ${now.store.path} to ${next.store.path} while running; ${REMEDY} (${kept})`,
    );
  }
  return refused;
}
