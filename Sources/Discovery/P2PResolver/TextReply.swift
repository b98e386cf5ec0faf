#if CAres
    import CCAres

    /// What a query came to; c-ares calls it back on the thread that drives the channel, and that thread alone uses it.
    final class TextReply {
        struct Failure: Error {
            let status: CInt
        }

        /// Records of one reply that are copied; a reply over TCP has thousands.
        private static let recordLimit = 1_024
        /// The longest text that is copied, in bytes; addresses are shorter.
        private static let textLimit = 2_048

        /// Nil until there is a reply.
        private(set) var status: CInt?
        private var texts: [[UInt8]] = []

        var result: Result<[[UInt8]], Failure> {
            self.status == ARES_SUCCESS ? .success(self.texts) : .failure(Failure(status: self.status ?? ARES_ECANCELLED))
        }

        /// For c-ares; `argument` is the reply, which whoever asks keeps alive.
        static let receive: @convention(c) (UnsafeMutableRawPointer?, CInt, CInt, UnsafeMutablePointer<UInt8>?, CInt) -> Void = {
            argument, status, _, bytes, count in
            guard let argument else { return }
            Unmanaged<TextReply>.fromOpaque(argument).takeUnretainedValue().received(status, bytes, count)
        }

        private func received(_ status: CInt, _ bytes: UnsafeMutablePointer<UInt8>?, _ count: CInt) {
            self.status = status
            guard status == ARES_SUCCESS, let bytes else { return }
            var first: UnsafeMutablePointer<ares_txt_ext>?
            self.status = ares_parse_txt_reply_ext(bytes, count, &first)
            defer { ares_free_data(first) }
            var next = first
            while let chunk = next?.pointee {
                if chunk.record_start != 0 || self.texts.isEmpty {
                    guard self.texts.count < Self.recordLimit else { break }
                    self.texts.append([])
                }
                let space = Self.textLimit - self.texts[self.texts.count - 1].count
                self.texts[self.texts.count - 1] += UnsafeBufferPointer(start: chunk.txt, count: min(chunk.length, space))
                next = chunk.next
            }
        }
    }
#endif
