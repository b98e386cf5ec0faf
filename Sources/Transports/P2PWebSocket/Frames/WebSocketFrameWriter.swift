import NIOCore
import P2PPipeline

/// Packs a client's bytes into masked frames of the size of a pooled buffer: one copy, which masks.
struct WebSocketFramePacker {
    /// Room for the header of a masked frame that fits a buffer of the pool.
    private static let headroom = 8
    /// Payload up to which a small buffer is taken.
    private static let smallPayload = 2_048 - Self.headroom

    private var frame = ByteBuffer()
    private var room = 0
    private var key: UInt32 = 0
    private var mask = WebSocketMask(key: 0)

    /// Whether a frame is under way.
    private(set) var hasFrame = false

    /// Takes what fits of `bytes` into the frame under way, or begins one.
    ///
    /// - Returns: whether the frame is full and must be ended.
    mutating func append(_ bytes: inout ByteBuffer, pool: RecordPool) -> Bool {
        if !self.hasFrame { self.begin(expecting: bytes.readableBytes, pool: pool) }
        let length = min(self.room, bytes.readableBytes)
        self.mask.move(length, from: &bytes, to: &self.frame)
        self.room -= length
        return self.room == 0
    }

    private mutating func begin(expecting length: Int, pool: RecordPool) {
        let capacity = length <= Self.smallPayload ? Self.smallPayload + Self.headroom : WebSocketLimits.slice
        self.frame = pool.take(capacity: capacity)
        self.frame.moveWriterIndex(forwardBy: Self.headroom)
        self.frame.moveReaderIndex(forwardBy: Self.headroom)
        self.room = capacity - Self.headroom
        self.key = .random(in: .min ... .max)
        self.mask = WebSocketMask(key: self.key)
        self.hasFrame = true
    }

    /// The frame under way, with its header; call only when there is one.
    mutating func end() -> ByteBuffer {
        var header = ByteBuffer()
        WebSocketFrameHeader(isFinal: true, opcode: .binary, maskingKey: self.key, length: UInt64(self.frame.readableBytes))
            .write(to: &header)
        var frame = ByteBuffer()
        swap(&frame, &self.frame)
        let start = Self.headroom - header.readableBytes
        frame.setBuffer(header, at: start)
        frame.moveReaderIndex(to: start)
        self.hasFrame = false
        return frame
    }
}

/// Makes whole frames.
struct WebSocketFrameWriter {
    let side: WebSocketSide

    /// A frame on its own: header and payload, masked when a client sends it.
    func frame(_ opcode: WebSocketOpcode, payload: ByteBuffer = ByteBuffer(), isFinal: Bool = true) -> ByteBuffer {
        var frame = ByteBuffer()
        frame.reserveCapacity(WebSocketFrameHeader.maximumLength + payload.readableBytes)
        let key: UInt32? = self.side == .client ? .random(in: .min ... .max) : nil
        WebSocketFrameHeader(isFinal: isFinal, opcode: opcode, maskingKey: key, length: UInt64(payload.readableBytes)).write(to: &frame)
        var payload = payload
        if let key {
            var mask = WebSocketMask(key: key)
            mask.move(payload.readableBytes, from: &payload, to: &frame)
        } else {
            frame.writeBuffer(&payload)
        }
        return frame
    }

    /// A close frame.
    func close(_ code: WebSocketCloseCode?) -> ByteBuffer {
        var payload = ByteBuffer()
        if let code { payload.writeInteger(code.number) }
        return self.frame(.close, payload: payload)
    }
}
