declare module "kafkajs/src/network/requestQueue/index.js" {
  export default class RequestQueue {
    readonly pending: readonly unknown[];
    scheduleCheckPendingRequests(): void;
  }
}

declare module "kafkajs/src/protocol/requests/produce/index.js" {
  const produce: import("./produce.ts").ProduceModule;
  export default produce;
}

declare module "kafkajs/src/cluster/index.js" {
  export default class Cluster {
    findGroupCoordinatorMetadata(of: { groupId: string; coordinatorType: number }): Promise<unknown>;
  }
}
