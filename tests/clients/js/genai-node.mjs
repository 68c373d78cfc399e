// @google/genai: `genai-node.mjs CASE URL` runs one case and prints what came of it as JSON.
import { GoogleGenAI, Type } from '@google/genai'

const [name, baseUrl] = process.argv.slice(2)
const ai = new GoogleGenAI({ apiKey: 'any', httpOptions: { baseUrl } })
const model = 'gemini-3-flash'
const called = []
const declaration = {
  name: 'get_weather',
  description: 'Weather of a city',
  parameters: { type: Type.OBJECT, properties: { city: { type: Type.STRING } }, required: ['city'] },
}

const cases = {
  async stream() {
    const texts = []
    let thoughts = ''
    let last
    const config = { thinkingConfig: { includeThoughts: true } }
    for await (const chunk of await ai.models.generateContentStream({ model, contents: 'Why is the sky blue?', config })) {
      const parts = chunk.candidates?.[0]?.content?.parts ?? []
      for (const part of parts) part.thought ? (thoughts += part.text) : texts.push(part.text ?? '')
      last = chunk
    }
    return { texts, thoughts, finish: last.candidates[0].finishReason, usage: last.usageMetadata, id: last.responseId }
  },
  async tools() {
    // by hand: the model's content goes back as it came
    const contents = [{ role: 'user', parts: [{ text: 'What is the weather in Rome and Oslo? Use the tool.' }] }]
    const config = { tools: [{ functionDeclarations: [declaration] }] }
    const first = await ai.models.generateContent({ model, contents, config })
    contents.push(first.candidates[0].content)
    const parts = first.functionCalls.map(({ id, name, args }) => {
      called.push(args.city)
      return { functionResponse: { id, name, response: { output: `18 degrees in ${args.city}` } } }
    })
    contents.push({ role: 'user', parts })
    return { text: (await ai.models.generateContent({ model, contents, config })).text, called }
  },
  async automatic() {
    // a callable tool: the SDK runs the loop
    const callable = {
      tool: async () => ({ functionDeclarations: [declaration] }),
      callTool: async (calls) =>
        calls.map(({ id, name, args }) => {
          called.push(args.city)
          return { functionResponse: { id, name, response: { output: `18 degrees in ${args.city}` } } }
        }),
    }
    const config = { tools: [callable] }
    const prompt = 'What is the weather in Rome? Use the tool.'
    const texts = []
    for await (const chunk of await ai.models.generateContentStream({ model, contents: prompt, config }))
      texts.push(chunk.text ?? '')
    return { text: texts.join(''), called }
  },
  async chat() {
    const chat = ai.chats.create({ model })
    await chat.sendMessage({ message: 'Remember the word kumquat.' })
    const texts = []
    for await (const chunk of await chat.sendMessageStream({ message: 'sim:echo' })) texts.push(chunk.text ?? '')
    return { text: texts.join(''), roles: chat.getHistory().map(({ role }) => role) }
  },
  async json() {
    const responseSchema = { type: Type.OBJECT, properties: { city: { type: Type.STRING } }, required: ['city'] }
    const config = { responseMimeType: 'application/json', responseSchema }
    return JSON.parse((await ai.models.generateContent({ model, contents: 'A place: Rome', config })).text)
  },
  async models() {
    const names = []
    for await (const one of await ai.models.list()) names.push(one.name)
    const { totalTokens } = await ai.models.countTokens({ model, contents: 'How many tokens are these?' })
    return { names, one: (await ai.models.get({ model })).name, totalTokens }
  },
  async error() {
    return ai.models
      .generateContent({ model, contents: 'sim:429' })
      .catch(({ constructor, status, message }) => ({ name: constructor.name, status, message: JSON.parse(message) }))
  },
}
console.log(JSON.stringify(await cases[name]()))
