/// A part of a line, and where it stands.
struct PolicyText {
    /// What it says.
    let text: Substring
    /// The column of its first character, from 1.
    let column: Int

    /// What is wrong with it. Where in the file, the reader adds.
    func mistake(_ message: String, at offset: Int = 0) -> PolicyMistake { PolicyMistake(column: self.column + offset, message: message) }

    /// The part behind so many characters.
    func dropFirst(_ count: Int) -> PolicyText { PolicyText(text: self.text.dropFirst(count), column: self.column + count) }

    /// The two parts around the first such character; nil when there is none.
    func split(at separator: Character) -> (PolicyText, PolicyText)? {
        self.text.firstIndex(of: separator).map { self.split(around: $0) }
    }

    /// The two parts around the last such character; nil when there is none.
    func splitLast(at separator: Character) -> (PolicyText, PolicyText)? {
        self.text.lastIndex(of: separator).map { self.split(around: $0) }
    }

    /// The parts between such characters.
    func parts(between separator: Character) -> [PolicyText] {
        var (parts, rest) = ([PolicyText](), self)
        while let (part, next) = rest.split(at: separator) {
            parts.append(part)
            rest = next
        }
        return parts + [rest]
    }

    /// The words of a line, without what follows `#`.
    static func words(of line: Substring) -> [PolicyText] {
        var words: [PolicyText] = []
        var (start, column, startColumn): (Substring.Index?, Int, Int) = (nil, 1, 1)
        for index in line.indices {
            let isSpace = line[index] == " " || line[index] == "\t"
            if start == nil, line[index] == "#" { return words }
            if isSpace, let begin = start {
                words.append(PolicyText(text: line[begin..<index], column: startColumn))
                start = nil
            } else if !isSpace, start == nil {
                (start, startColumn) = (index, column)
            }
            column += 1
        }
        if let start { words.append(PolicyText(text: line[start...], column: startColumn)) }
        return words
    }

    private func split(around index: Substring.Index) -> (PolicyText, PolicyText) {
        let before = self.text[..<index]
        return (PolicyText(text: before, column: self.column), self.dropFirst(before.count + 1))
    }
}

/// What is wrong in a line, and where.
struct PolicyMistake: Error {
    let column: Int
    let message: String
}
