/// Names of files that strangers suggest.
enum FileName {
    /// Bytes of a name, so that `.part` and what stands before it still fits.
    private static let longest = 200

    /// The last component of a path of any system, or nil if that is nothing to make a file of: empty, hidden, too long, or with
    /// characters that can't be seen.
    static func safe(_ suggested: String) -> String? {
        let last = suggested.split(omittingEmptySubsequences: false) { $0 == "/" || $0 == "\\" }.last.map(String.init) ?? ""
        guard !last.isEmpty, !last.hasPrefix("."), last.utf8.count <= self.longest, printable(last) == last else { return nil }
        return last
    }
}
