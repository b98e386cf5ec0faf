package import NIOCore
import P2PCore
package import P2PPipeline

/// Something that a peer's frames brought.
package enum WebSocketInput: Equatable {
    /// Payload of a data frame, unmasked; a frame comes in as many pieces as it arrives in.
    case data(ByteBuffer, isText: Bool, endsMessage: Bool)
    case ping(ByteBuffer)
    case pong
    /// The peer closes; without a code when its frame had none.
    case close(WebSocketCloseCode?)
}

/// Reads frames as they come in: a value without I/O.
///
/// Data is passed on piece by piece, so that neither a frame's length nor a message's matters to memory; only control
/// frames are collected.
package struct WebSocketFrameReader {
    private enum State {
        case header
        case data(left: UInt64, mask: WebSocketMask?, isFinal: Bool)
        case control(WebSocketOpcode, left: Int, mask: WebSocketMask?, collected: ByteBuffer)
    }

    private var state = State.header
    private var headers: WebSocketFrameHeaderReader
    /// The message under way: whether it is text.
    private var message: Bool?
    private var text = UTF8Check()
    private let takesText: Bool

    /// - Parameters:
    ///   - side: which end reads.
    ///   - takesText: whether text has a meaning; its UTF-8 is checked then.
    package init(side: WebSocketSide, takesText: Bool) {
        self.headers = WebSocketFrameHeaderReader(side: side)
        self.takesText = takesText
    }

    /// The next input; nil when `bytes` are used up. After an error it must not be called again.
    ///
    /// - Parameter pool: lends the memory that masked data is unmasked into.
    package mutating func next(from bytes: inout ByteBuffer, pool: RecordPool) throws(WebSocketError) -> WebSocketInput? {
        while true {
            switch self.state {
            case .header:
                guard let header = try self.headers.read(from: &bytes) else { return nil }
                try self.begin(header)
            case .data(let left, let mask, let isFinal):
                guard left > 0 else { return try self.dataEnded(ByteBuffer(), isFinal: isFinal) }
                guard bytes.readableBytes > 0 else { return nil }
                return try self.readData(left: left, mask: mask, isFinal: isFinal, from: &bytes, pool: pool)
            case .control(let opcode, let left, var mask, var collected):
                guard left > 0 else {
                    self.state = .header
                    return try Self.control(opcode, payload: collected)
                }
                let length = min(left, bytes.readableBytes)
                guard length > 0 else { return nil }
                if mask != nil {
                    mask?.move(length, from: &bytes, to: &collected)
                } else if var piece = bytes.readSlice(length: length) {
                    collected.writeBuffer(&piece)
                }
                self.state = .control(opcode, left: left - length, mask: mask, collected: collected)
            }
        }
    }

    private mutating func begin(_ header: WebSocketFrameHeader) throws(WebSocketError) {
        let mask = header.maskingKey.map { WebSocketMask(key: $0) }
        switch header.opcode {
        case .close, .ping, .pong:
            self.state = .control(header.opcode, left: Int(header.length), mask: mask, collected: ByteBuffer())
            return
        case .continuation:
            guard self.message != nil else {
                throw WebSocketError(.protocolError, "a continuation frame continues nothing")
            }
        case .text, .binary:
            guard self.message == nil else {
                throw WebSocketError(.protocolError, "a new message begins before the last frame of the one before it")
            }
            guard header.opcode == .binary || self.takesText else {
                throw WebSocketError(.unsupportedData, "a text frame arrived, and only binary frames carry bytes")
            }
            self.message = header.opcode == .text
        }
        self.state = .data(left: header.length, mask: mask, isFinal: header.isFinal)
    }

    private mutating func readData(
        left: UInt64, mask: WebSocketMask?, isFinal: Bool, from bytes: inout ByteBuffer, pool: RecordPool
    ) throws(WebSocketError) -> WebSocketInput? {
        // A comparison in the wider type: the frame may be longer than anything in memory.
        var length = Int(min(left, UInt64(bytes.readableBytes)))
        var data: ByteBuffer
        var mask = mask
        if mask != nil {
            length = min(length, WebSocketLimits.slice)
            // A buffer of the pool for each tiny frame would hold a thousand times what the peer has sent.
            data = length < WebSocketLimits.pooled ? ByteBufferAllocator().buffer(capacity: length) : pool.take(capacity: length)
            mask?.move(length, from: &bytes, to: &data)
        } else {
            data = bytes.readSlice(length: length) ?? ByteBuffer()
        }
        guard UInt64(length) == left else {
            self.state = .data(left: left - UInt64(length), mask: mask, isFinal: isFinal)
            return .data(data, isText: try self.check(data), endsMessage: false)
        }
        return try self.dataEnded(data, isFinal: isFinal)
    }

    private mutating func dataEnded(_ data: ByteBuffer, isFinal: Bool) throws(WebSocketError) -> WebSocketInput {
        self.state = .header
        let isText = try self.check(data)
        if isFinal {
            guard !isText || self.text.isComplete else {
                throw WebSocketError(.invalidText, "a text message ends inside a character")
            }
            self.message = nil
            self.text = UTF8Check()
        }
        return .data(data, isText: isText, endsMessage: isFinal)
    }

    /// Whether the message under way is text; its bytes must be UTF-8 then.
    private mutating func check(_ data: ByteBuffer) throws(WebSocketError) -> Bool {
        guard self.message == true else { return false }
        guard data.withUnsafeReadableBytes({ self.text.accepts($0) }) else {
            throw WebSocketError(.invalidText, "a text message is not UTF-8")
        }
        return true
    }

    private static func control(_ opcode: WebSocketOpcode, payload: ByteBuffer) throws(WebSocketError) -> WebSocketInput {
        switch opcode {
        case .ping: return .ping(payload)
        case .close: return .close(try self.closeCode(payload))
        default: return .pong
        }
    }

    private static func closeCode(_ payload: ByteBuffer) throws(WebSocketError) -> WebSocketCloseCode? {
        guard payload.readableBytes > 0 else { return nil }
        var payload = payload
        guard let number = payload.readInteger(as: UInt16.self) else {
            throw WebSocketError(.protocolError, "a close frame holds half a code")
        }
        let code = WebSocketCloseCode(number: number)
        guard code.mayBeSent else { throw WebSocketError(.protocolError, "a close frame has the code \(number)") }
        var reason = UTF8Check()
        guard payload.withUnsafeReadableBytes({ reason.accepts($0) }), reason.isComplete else {
            throw WebSocketError(.invalidText, "the reason in a close frame is not UTF-8")
        }
        return code
    }
}
