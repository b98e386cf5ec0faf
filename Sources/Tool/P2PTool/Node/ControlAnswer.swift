import NIOCore

/// What has come of an answer over a ``ControlSocket``.
struct ControlAnswer {
    private let limit: Int
    private var bytes = ByteBuffer()
    /// Nil until the first line is there.
    private var length: Int?

    init(limit: Int) { self.limit = limit }

    var isWhole: Bool { self.length.map { self.bytes.readableBytes >= $0 } ?? false }

    /// - Throws: `ToolError` when it is no answer, or longer than is taken.
    mutating func add(_ piece: ByteBuffer) throws(ToolError) {
        self.bytes.writeImmutableBuffer(piece)
        guard self.length == nil else { return }
        guard let end = self.bytes.readableBytesView.prefix(20).firstIndex(of: UInt8(ascii: "\n")) else {
            guard self.bytes.readableBytes < 20 else { throw ToolError("noAnswer", "what answers there is no p2p") }
            return
        }
        let line = String(decoding: self.bytes.readableBytesView[..<end], as: UTF8.self)
        guard let length = Int(line), (0...self.limit).contains(length) else {
            throw ToolError("noAnswer", "what answers there is no p2p, or says more than \(self.limit) bytes")
        }
        self.length = length
        self.bytes.moveReaderIndex(forwardBy: line.utf8.count + 1)
    }

    func text(to question: String) throws(ToolError) -> String {
        guard let length = self.length else {
            throw ToolError(
                "noAnswer",
                self.bytes.readableBytes == 0 ? "the process does not know what it was asked (\(question)), or is busy" : Self.brokenOff)
        }
        guard let text = self.bytes.getString(at: self.bytes.readerIndex, length: length) else {
            throw ToolError("noAnswer", Self.brokenOff)
        }
        return text
    }

    private static let brokenOff = "the answer of the process broke off"
}
