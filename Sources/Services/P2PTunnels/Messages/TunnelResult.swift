import NIOCore
import P2PCore

/// What comes of a ``TunnelOpen``: the answer's only message.
struct TunnelResult: Sendable, Hashable {
    /// The longest message that is read, in bytes.
    static let maximumSize = 1_024
    /// The longest text that is sent, in bytes.
    static let maximumText = 256

    /// 0 for a tunnel that is open; the others are those of `Specs/Tunnels.md`.
    var code: UInt64
    /// For people.
    var message: String
    /// Where the socket was bound that leads to the target; empty where that is not told.
    var boundHost = ""
    var boundPort: UInt16 = 0
    var datagrams = false

    init(code: UInt64, message: String = "") {
        self.code = code
        self.message = message
    }

    /// A tunnel that is open.
    static let ok = TunnelResult(code: 0)

    private static let codes: [TunnelError.Code: UInt64] = [
        .denied: 1, .badRequest: 2, .unresolvable: 3, .unreachable: 4, .refused: 5, .timedOut: 6, .busy: 7, .unsupported: 8, .failed: 9,
    ]

    /// A refusal; what is not granted is told without a reason.
    init(_ error: TunnelError) {
        self.init(code: Self.codes[error.code] ?? 9, message: error.code == .denied ? "permission denied" : error.message)
    }

    /// The refusal as an error; nil when the tunnel is open.
    var error: TunnelError? {
        guard self.code != 0 else { return nil }
        let code = Self.codes.first { $0.value == self.code }?.key ?? .failed
        let message = Self.shown(self.message)
        return TunnelError(code, message.isEmpty ? "the peer opened no tunnel (\(self.code))" : message)
    }

    /// What a peer says, as it may be shown: it can't steer a terminal, nor make lines of its own, nor be long.
    private static func shown(_ text: String) -> String {
        var scalars = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .unassigned: continue
            default: scalars.append(scalar)
            }
        }
        var shown = String(scalars)
        while shown.utf8.count > Self.maximumText { shown.removeLast() }
        return shown
    }

    /// Reads a message; unknown fields are skipped.
    init(_ message: ByteBuffer) throws(TunnelFields.Malformed) {
        self.init(code: 0)
        var fields = TunnelFields(message)
        while let (number, value) = try fields.next() {
            switch (number, value) {
            case (1, .number(let number)): self.code = number
            case (2, .bytes(let bytes)): self.message = String(buffer: bytes)
            case (3, .bytes(let bytes)): self.boundHost = String(buffer: bytes)
            case (4, .number(let number)): self.boundPort = UInt16(truncatingIfNeeded: number)
            case (5, .number(let number)): self.datagrams = number != 0
            case (1...5, _): throw TunnelFields.Malformed()
            default: break
            }
        }
    }

    var encoded: ByteBuffer {
        var text = self.message
        while text.utf8.count > Self.maximumText { text.removeLast() }
        var message = ByteBuffer()
        message.writeField(1, self.code)
        message.writeField(2, text)
        message.writeField(3, self.boundHost)
        message.writeField(4, UInt64(self.boundPort))
        message.writeField(5, self.datagrams ? 1 : 0)
        return message
    }
}
