/// How much the reader of a stream consumes before the peer gets its credit back.
///
/// The library tells the peer of new credit once it amounts to half a window. What is consumed and not yet returned comes on top of
/// that, and the peer is left with what remains: a quarter of a stream's window at least, and, because the streams share the
/// connection's, a quarter of that with all of them together. Were it nothing, both sides would wait for ever.
struct QUICCreditThreshold {
    private let streamWindow: Int
    private let window: Int
    /// For so many streams; a power of two, so that it seldom changes.
    private var bracket = 1

    init(_ configuration: QUICConfiguration) {
        self.streamWindow = Int(clamping: configuration.initialStreamWindow)
        self.window = Int(clamping: configuration.initialWindow)
    }

    /// In bytes.
    var value: Int { max(1, min(self.streamWindow / 4, self.window / 4 / self.bracket)) }

    /// There are so many streams now. True when the value has become another.
    mutating func update(streams: Int) -> Bool {
        let before = self.value
        while self.bracket < streams { self.bracket *= 2 }
        // Not at once when one stream goes: the next may come.
        while self.bracket > 1, streams < self.bracket / 4 { self.bracket /= 2 }
        return self.value != before
    }
}
