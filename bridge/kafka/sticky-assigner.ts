/** The sticky division as an assigner of kafkajs: what a member holds travels in its join metadata. */
import { type Assigner, AssignerProtocol, type GroupMember, type GroupMemberAssignment } from "./client.ts";
import { assignSticky, type Member } from "./sticky.ts";

const VERSION = 0;
const NAME = "busbar-sticky";
const { MemberMetadata, MemberAssignment } = AssignerProtocol;

/** Topics go together: who gets a partition gets it of each topic. */
export function stickyAssigner(partitions: number, own: () => Omit<Member, "id">): () => Assigner {
  return () => ({
    name: NAME,
    version: VERSION,
    protocol({ topics }) {
      const userData = Buffer.from(JSON.stringify(own()));
      return { name: NAME, metadata: MemberMetadata.encode({ version: VERSION, topics, userData }) };
    },
    assign({ members, topics }) {
      const assigned = assignSticky(members.map(memberOf), partitions);
      return Promise.resolve([...assigned].map(([id, list]) => assignmentOf(id, list, topics)));
    },
  });
}

function assignmentOf(memberId: string, partitions: number[], topics: readonly string[]): GroupMemberAssignment {
  const assignment = Object.fromEntries(topics.map((topic) => [topic, partitions]));
  return {
    memberId,
    memberAssignment: MemberAssignment.encode({ version: VERSION, assignment, userData: Buffer.alloc(0) }),
  };
}

/** A member of another program in our group holds nothing that we know of. */
function memberOf({ memberId, memberMetadata }: GroupMember): Member {
  try {
    const userData = MemberMetadata.decode(memberMetadata)?.userData.toString() ?? "";
    const { held, confirmedAt } = JSON.parse(userData) as Omit<Member, "id">;
    return { id: memberId, held: Array.isArray(held) ? held : [], confirmedAt: Number(confirmedAt) || 0 };
  } catch {
    return { id: memberId, held: [], confirmedAt: 0 };
  }
}
