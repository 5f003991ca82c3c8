// The client's half of `examples/cbor-parser`: packets in CBOR, one binary frame each.
import { Emitter } from "@socket.io/component-emitter";
import { Encoder as Cbor } from "cbor-x";

// Plain maps and byte strings, which every reader of CBOR knows.
const cbor = new Cbor({ useRecords: false, tagUint8Array: false });

class Encoder {
  encode(packet) {
    return [cbor.encode(packet)];
  }
}

class Decoder extends Emitter {
  add(frame) {
    const packet = cbor.decode(new Uint8Array(frame));
    this.emitReserved("decoded", packet);
  }

  destroy() {}
}

export default { Encoder, Decoder };
