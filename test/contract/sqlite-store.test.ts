import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SqliteStore } from "../../node/store/sqlite-store.ts";
import { FileStore } from "../support/file-store.ts";
import { recordStoreContract } from "./record-store.ts";

async function newFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), "headcount-store-"));
}

recordStoreContract(
  "SqliteStore",
  async () => {
    const folder = await newFolder();
    let store = await SqliteStore.open({ folder, repair: false });
    return {
      store,
      reopen: async () => {
        await store.close();
        store = await SqliteStore.open({ folder, repair: false });
        return store;
      },
      discard: async () => {
        await store.close();
        await rm(folder, { recursive: true });
      },
    };
  },
  { runs: 8 }, // each starts a thread, and one more with every reopen
);

recordStoreContract(
  "SqliteStore's file, rewritten at every reopen,",
  async () => {
    const folder = await newFolder();
    let store = new FileStore(folder);
    return {
      store,
      reopen: async () => {
        store.tidy();
        await store.close();
        store = new FileStore(folder, { rewrite: true });
        return store;
      },
      discard: async () => {
        await store.close();
        await rm(folder, { recursive: true });
      },
    };
  },
  { runs: 25 },
);
