import NIOCore

/// What waits to be printed: bounded, in order, whole lines.
///
/// A value without I/O. A line that finds no room is left out and counted; a note of the count stands where the lines would have stood.
struct PrintBacklog {
    /// What is written in one go, and who waits until it is.
    struct Piece {
        var bytes: ByteBuffer
        var waiter: PrintWaiter?
        /// How many lines are lost when it can't be written.
        var lines: Int
    }

    /// Lines are written together up to this size, in bytes: what a pipe takes whole (POSIX, PIPE_BUF on Linux).
    static let pieceSize = 4_096

    private var pieces = CircularBuffer<Piece>()
    /// Bytes that wait.
    private(set) var byteCount = 0
    /// Lines that were left out since the last note.
    private(set) var lost = 0
    private let limit: Int
    private let note: @Sendable (_ lost: Int) -> String

    /// - Parameters:
    ///   - limit: bytes that may wait.
    ///   - note: a line, with its end, that says how many are missing.
    init(limit: Int, note: @escaping @Sendable (_ lost: Int) -> String) {
        self.limit = limit
        self.note = note
    }

    /// Adds a line, or counts it as lost. Once one was lost, half of the room has to be free before lines are taken again: else each line that
    /// is written would make room for a note and no more.
    mutating func offer(_ line: ByteBuffer) {
        guard self.byteCount + line.readableBytes <= (self.lost > 0 ? self.limit / 2 : self.limit) else {
            self.lost += 1
            return
        }
        self.noteLosses()
        self.push(Piece(bytes: line, waiter: nil, lines: 1))
    }

    /// Adds bytes whose writer waits, and so bounds them.
    mutating func append(_ bytes: ByteBuffer, waiter: PrintWaiter) {
        self.noteLosses()
        self.push(Piece(bytes: bytes, waiter: waiter, lines: 0))
    }

    /// What is to be written next; nil when nothing waits.
    mutating func next() -> Piece? {
        if self.pieces.isEmpty { self.noteLosses() }
        guard var piece = self.pieces.popFirst() else { return nil }
        self.byteCount -= piece.bytes.readableBytes
        guard piece.waiter == nil else { return piece }
        while let following = self.pieces.first, following.waiter == nil,
            piece.bytes.readableBytes + following.bytes.readableBytes <= Self.pieceSize
        {
            self.pieces.removeFirst()
            self.byteCount -= following.bytes.readableBytes
            piece.bytes.writeImmutableBuffer(following.bytes)
            piece.lines += following.lines
        }
        return piece
    }

    /// Lines could not be written although there was room for them.
    mutating func lose(_ lines: Int) { self.lost += lines }

    /// Whether there is anything but a note to write.
    var isEmpty: Bool { self.pieces.isEmpty }

    /// Forgets everything; returns who waited.
    mutating func clear() -> [PrintWaiter] {
        defer {
            self.pieces.removeAll()
            self.byteCount = 0
            self.lost = 0
        }
        return self.pieces.compactMap(\.waiter)
    }

    private mutating func noteLosses() {
        guard self.lost > 0 else { return }
        self.push(Piece(bytes: ByteBuffer(string: self.note(self.lost)), waiter: nil, lines: self.lost))
        self.lost = 0
    }

    private mutating func push(_ piece: Piece) {
        self.byteCount += piece.bytes.readableBytes
        self.pieces.append(piece)
    }
}
